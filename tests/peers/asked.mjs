// The TypeScript SDK's second client, in either era, in front of a server that asks: `node asked.mjs TARGET MODE`.
// TARGET: {"url": ...} or {"command": ..., "args": [...]}. MODE: "legacy", or "auto" for the stateless era.
// Calls what asks, answers, and prints what it was asked, told and answered.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [target, mode] = [JSON.parse(process.argv[2]), process.argv[3]];
const asked = [];
const progress = [];

const client = new Client(
  { name: "typescript-2", version: "1" },
  {
    capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } },
    versionNegotiation: { mode },
  },
);
client.setRequestHandler("elicitation/create", async (request) => {
  asked.push(request.method);
  return { action: "accept", content: { name: "Ada", check: true } };
});
client.setRequestHandler("sampling/createMessage", async (request) => {
  asked.push(request.method);
  return { role: "assistant", model: "none", content: { type: "text", text: "sampled by typescript" } };
});
client.setRequestHandler("roots/list", async (request) => {
  asked.push(request.method);
  return { roots: [{ uri: "file:///from/typescript", name: "one" }] };
});

await client.connect(target.url ? new StreamableHTTPClientTransport(new URL(target.url)) : new StdioClientTransport(target));
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const call = async (name, args, options) => (await client.callTool({ name, arguments: args }, options)).content;
const results = {
  elicited: await call("everything__trigger-elicitation-request", {}),
  sampled: await call("everything__trigger-sampling-request", { prompt: "hello", maxTokens: 10 }),
  roots: await call("everything__get-roots-list", {}),
  long: await call(
    "everything__trigger-long-running-operation",
    { duration: 1, steps: 4 },
    { onprogress: (step) => progress.push([step.progress, step.total]) },
  ),
};
const completed = await client.complete({
  ref: { type: "ref/prompt", name: "everything__completable-prompt" },
  argument: { name: "department", value: "E" },
});
console.log(JSON.stringify({ version: client.getNegotiatedProtocolVersion(), tools, asked, progress, results, completed }));
await client.close();
