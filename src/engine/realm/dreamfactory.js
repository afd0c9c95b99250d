// `event`: the transaction in the words of DreamFactory.
(function ({ natives, parse, fill, replace, alias, closed }, { req }) {
  const { Number, Object, String } = globalThis;
  const { defineProperties, getOwnPropertyDescriptors, keys } = Object;

  // DreamFactory's short names of types.
  const TYPES = { json: 'application/json', xml: 'application/xml', csv: 'text/csv', html: 'text/html', text: 'text/plain', txt: 'text/plain' };
  const fullType = (type) => (type === null || type === undefined ? null : TYPES[type] ?? String(type));

  const requestFields = natives.joinedRequestHeaders;
  const responseFields = natives.joinedResponseHeaders;
  const CONTENT_TYPE = 'content-type';

  const request = closed({
    get api_version() { return natives.texts.apiVersion(); },
    get method() { return req.method; },
    set method(method) { req.method = method; },
    get uri() { return req.path; },
    set uri(uri) { req.path = uri; },
    get service() { return natives.texts.service(); },
    get resource() { return natives.texts.resourcePath(); },
    get headers() { return requestFields; },
    set headers(fields) { fill(requestFields, fields); },
    get parameters() { return natives.parameters; },
    set parameters(parameters) { replace(natives.parameters, parameters); },
    get payload() { return natives.requestValue(); },
    set payload(payload) { natives.setRequestValue(payload); },
    get content() { return natives.requestText(); },
    set content(content) { natives.setRequestText(content); },
    get content_type() { return requestFields[CONTENT_TYPE] ?? null; },
    set content_type(type) { requestFields[CONTENT_TYPE] = fullType(type); },
  }, 'event.request');

  const members = {
    get status_code() { return natives.status(); },
    set status_code(status) { natives.setStatus(Number(status), true); },
    get headers() { return responseFields; },
    set headers(fields) { fill(responseFields, fields); },
    get content() { return natives.responseBody(); },
    set content(content) { natives.setResponseBody(content, true); },
    get content_type() { return responseFields[CONTENT_TYPE] ?? null; },
    set content_type(type) { responseFields[CONTENT_TYPE] = fullType(type); },
  };
  alias(members, 'status', 'status_code');
  // As long as there is none it shows no member; writing one answers.
  const hidden = getOwnPropertyDescriptors(members);
  for (const name of keys(hidden)) hidden[name].enumerable = false;
  const response = closed(members, 'event.response');
  const noResponse = closed(defineProperties({}, hidden), 'event.response');

  // Writes those members of a view that `values` has and that can be written.
  const take = (view, values, names) => {
    for (const name of names) if (name in values && values[name] !== view[name]) view[name] = values[name];
  };
  const REQUEST = ['method', 'uri', 'headers', 'parameters', 'content_type', 'content', 'payload'];
  const RESPONSE = ['status', 'status_code', 'headers', 'content_type', 'content'];
  const setRequest = (values) => { if (values !== request) take(request, values, REQUEST); };
  const takeResponse = (values) => {
    if (values !== response && values !== noResponse) take(response, values, RESPONSE);
  };

  const event = {
    get request() { return request; },
    set request(values) { setRequest(values); },
    get response() { return natives.hasResponse() ? response : noResponse; },
    set response(values) { takeResponse(values); },
    get resource() { return parse(natives.texts.captures()); },
    get event_name() { return natives.texts.eventName(); },
    get stop_propagation() { return natives.stopsPropagation(); },
    set stop_propagation(stops) { natives.stopPropagation(!!stops); },
    setRequest,
    setResponse(content, status = 200, type = null) {
      response.status_code = status;
      if (type !== null) response.content_type = type;
      response.content = content;
    },
  };

  closed(event, 'event');
  return {
    event,
    _event: event,
    // Takes over an event that a handler returned.
    takeOver(returned) {
      if (returned === event) return;
      if (returned.request) setRequest(returned.request);
      if (returned.response) takeResponse(returned.response);
      if (returned.stop_propagation !== undefined) event.stop_propagation = returned.stop_propagation;
    },
  };
})
