"""The checker where writers write: extensions of LibreOffice, VS Code and Chromium."""
