// Starts the server as the extension of VS Code does, by the client that the extension carries.
const { spawn } = require("child_process");
const folder = process.argv[2] + "/extension";
const { server, shown } = require(folder + "/server.js");
const rpc = require(folder + "/node_modules/vscode-languageserver-protocol/node");

(async () => {
  const { command, args } = server(process.argv[3], folder);
  const child = spawn(command, args);
  const reader = new rpc.StreamMessageReader(child.stdout), writer = new rpc.StreamMessageWriter(child.stdin);
  const client = rpc.createProtocolConnection(reader, writer);
  const published = [];
  let told;
  client.onNotification(rpc.PublishDiagnosticsNotification.type, found => { published.push(found); told && told(); });
  client.listen();
  const options = { processId: null, rootUri: null, capabilities: {}, initializationOptions: { register: "", language: "bn" } };
  await client.sendRequest(rpc.InitializeRequest.type, options);
  for (const [uri, text] of [["file:///a.txt", "আপনি কেমন আছ?"], ["file:///b.txt", "Only English."]]) {
    const wait = new Promise(done => { told = done; });
    await client.sendNotification(rpc.DidOpenTextDocumentNotification.type, { textDocument: { uri, languageId: "plaintext", version: 1, text } });
    await wait;
  }
  const [bangla, english] = published.map(found => shown(found.diagnostics));
  const request = { textDocument: { uri: "file:///a.txt" }, range: bangla[0].range, context: { diagnostics: bangla } };
  const actions = await client.sendRequest(rpc.CodeActionRequest.type, request);
  console.log(JSON.stringify({ bangla: bangla.map(item => item.code), english, actions: actions.map(item => item.title) }));
  await client.sendRequest(rpc.ShutdownRequest.type);
  await client.sendNotification(rpc.ExitNotification.type);
  client.dispose();
})();
