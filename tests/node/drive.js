// Calls every operation with Twilio's own client: node drive.js URL ACCOUNT_SID TOKEN. Prints what came of it as JSON.
import twilio from "twilio";

const [url, accountSid, token] = process.argv.slice(2);
const client = twilio(accountSid, token);
client.events.baseUrl = url;
const v1 = client.events.v1;
const sent = "com.twilio.messaging.message.sent";
const delivered = "com.twilio.messaging.message.delivered";
const schema = "Messaging.MessageStatus";

async function refusal(work) {
  try {
    await work();
    return null;
  } catch (error) {
    return { status: error.status, code: error.code, message: error.message };
  }
}

const types = await v1.eventTypes.list({ pageSize: 9 });
const everything = await v1.eventTypes.list({ limit: 5000 });
const versions = await v1.schemas(schema).versions.list({ pageSize: 2 });
const sink = await v1.sinks.create({
  description: "a sink",
  sinkType: "webhook",
  sinkConfiguration: { destination: "https://hooks.example.com/a", method: "POST", batch_events: false },
});
const renamed = await v1.sinks(sink.sid).update({ description: "rénommé" });
const subscription = await v1.subscriptions.create({
  description: "a subscription",
  sinkSid: sink.sid,
  types: [{ type: sent, schema_version: 7 }, { type: delivered }],
});
const events = v1.subscriptions(subscription.sid).subscribedEvents;
const added = await events.create({ type: "com.twilio.messaging.message.failed", schemaVersion: 3 });

const found = {
  types: types.map((each) => each.type),
  everything: everything.length,
  type: (await v1.eventTypes(sent).fetch()).schemaId,
  schema: (await v1.schemas(schema).fetch()).latestVersion,
  versions: versions.map((each) => each.schemaVersion),
  version: (await v1.schemas(schema).versions(2).fetch()).raw,
  renamed: renamed.description,
  sinks: (await v1.sinks.list({ inUse: true, status: "active" })).map((each) => each.sid),
  sink: (await v1.sinks(sink.sid).fetch()).dateCreated instanceof Date,
  test: (await v1.sinks(sink.sid).sinkTest.create()).result,
  validate: (await v1.sinks(sink.sid).sinkValidate.create({ testId: "any" })).result,
  subscriptions: (await v1.subscriptions.list({ sinkSid: sink.sid })).map((each) => each.sid),
  described: (await v1.subscriptions(subscription.sid).update({ description: "other" })).description,
  fetched: (await v1.subscriptions(subscription.sid).fetch()).sinkSid,
  added: [added.type, added.schemaVersion],
  updated: (await events(added.type).update({ schemaVersion: 4 })).schemaVersion,
  event: (await events(added.type).fetch()).schemaVersion,
  removed: await events(added.type).remove(),
  events: (await events.list({ pageSize: 1 })).map((each) => [each.type, each.schemaVersion]),
  inUse: await refusal(() => v1.sinks(sink.sid).remove()),
  unknown: await refusal(() => events.create({ type: "com.acme.none" })),
  gone: [await v1.subscriptions(subscription.sid).remove(), await v1.sinks(sink.sid).remove()],
};
console.log(JSON.stringify({ sinkSid: sink.sid, subscriptionSid: subscription.sid, ...found }));
