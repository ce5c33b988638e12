"""Show findings: as marked text and JSON, with places in the file."""
