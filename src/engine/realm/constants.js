// `T`: the constants of API Maker.
(function () {
  const { Object } = globalThis;

  const named = (names) => Object.fromEntries(names.split(' ').map((name) => [name, name]));
  const OPERATIONS = 'GET_ALL GET_ALL_STREAM GET_BY_ID POST_BULK_INSERT MASTER_SAVE ARRAY_OPERATIONS UPDATE_MANY PUT_UPDATE_BY_ID '
    + 'PUT_REPLACE_BY_ID DEL_DELETE_BY_ID POST_QUERY POST_QUERY_STREAM POST_QUERY_DELETE POST_AGGREGATE POST_COUNT GET_DISTINCT POST_DISTINCT_QUERY';
  const of = (prefix) => named(OPERATIONS.split(' ').map((name) => `${prefix}_${name}`).join(' '));

  const EEventType = named('INSTANCES THIRD_PARTY_APIS CUSTOM_APIS SYSTEM_APIS CUSTOM_WS_EVENTS');
  const ESchemaApi = of('SCHEMA');
  const EGeneratedApi = of('GEN');
  const ESystemApi = named('EXECUTE_PLAIN_QUERY ENCRYPT_DATA DECRYPT_DATA HASH_DATA GET_TOKEN CALL_EXTERNAL_API GET_SECRET GET_REDIS_KEY '
    + 'SET_REDIS_KEY REMOVE_REDIS_KEY CUSTOM_USER_CACHING RESET_REDIS_CACHE_DB RESET_REDIS_CACHE_CUSTOM_APIS RESET_REDIS_CACHE_SYSTEM_APIS '
    + 'RESET_REDIS_CACHE_TP_APIS GET_TABLE_META EMIT_EVENT EMIT_EVENT_WS IS_VALID_DATA_FOR_TABLE IS_VALID_DATA_FOR_CUSTOM_API '
    + 'IS_VALID_DATA_FOR_THIRD_PARTY_API');
  const EConditionType = named('RESPONSE');
  const EStatusCode = {
    OK: 200, CREATED: 201, NO_CONTENT: 204, BAD_REQUEST: 400, UNAUTHORIZED: 401, FORBIDDEN: 403,
    RESOURCE_NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500,
  };
  const EContentType = {
    JSON: 'application/json', XML: 'text/xml', YAML: 'text/yaml', TEXT: 'text/plain', HTML: 'text/html',
  };
  // Each name stands by itself too: `T.SCHEMA_GET_ALL`.
  const T = {
    ...EEventType, ...ESchemaApi, ...EGeneratedApi, ...ESystemApi,
    EEventType, ESchemaApi, EGeneratedApi, ESystemApi, EConditionType, EStatusCode, EContentType,
  };
  return { T };
})
