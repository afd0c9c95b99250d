import * as T from 'types';
module.exports = async function main(g) {
  const { sku, left } = g.res.output;
  if (left < 5) {
    await g.sys.system.emitEventWS('LOW_STOCK', { sku, left, type: T.CUSTOM_WS_EVENTS });
    await g.sys.system.emitEvent('low-stock', { sku });
  }
  try {
    await g.sys.db.saveSingleOrMulti({ collection: 'audit' }, { sku });
  } catch (error) {
    g.res.output.audit = error.message;
  }
};
