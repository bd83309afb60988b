// The TypeScript SDK's client: `node client.mjs TARGET CALLS`, both JSON. Prints what it saw and was answered.
// TARGET: {"url": ...} or {"command": ..., "args": [...]}. CALLS: [{"name": ..., "arguments": {...}}, ...].
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [target, calls] = process.argv.slice(2).map((text) => JSON.parse(text));

function transport() {
  if (!target.url) return new StdioClientTransport(target);
  const url = new URL(target.url);
  return url.pathname === "/sse" ? new SSEClientTransport(url) : new StreamableHTTPClientTransport(url);
}

const client = new Client({ name: "typescript", version: "1" });
await client.connect(transport());
const seen = {
  tools: (await client.listTools()).tools.map((tool) => tool.name),
  prompts: (await client.listPrompts()).prompts.map((prompt) => prompt.name),
  templates: (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate),
};
const results = [];
for (const call of calls) results.push(await client.callTool(call));
await client.close();
console.log(JSON.stringify({ ...seen, results }));
