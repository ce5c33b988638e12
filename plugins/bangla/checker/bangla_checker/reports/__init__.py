"""Show findings: as marked text, JSON and SARIF, with places in the file."""
