"use strict";
// How the language server starts, and which of its remarks a writer sees.
const path = require("path");

function server(python, folder, platform = process.platform) {
  const command = python || (platform === "win32" ? "python" : "python3");
  return { command, args: [path.join(folder, "checker.pyz"), "--lsp"] };
}

// A text that is not Bangla has one remark without a rule; most texts in an editor are such.
const shown = diagnostics => diagnostics.filter(item => item.code);

module.exports = { server, shown };
