"use strict";
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");
const { server, shown } = require("./server.js");

let client;

async function activate(context) {
  const settings = vscode.workspace.getConfiguration("bangla");
  client = new LanguageClient("bangla", "Bangla: levels of address", server(settings.get("python"), context.extensionPath), {
    documentSelector: [{ language: "plaintext" }, { language: "markdown" }],
    initializationOptions: { register: settings.get("register"), language: settings.get("language") },
    middleware: { handleDiagnostics: (uri, diagnostics, next) => next(uri, shown(diagnostics)) },
  });
  await client.start();
}

module.exports = { activate, deactivate: () => client && client.stop() };
