"""De-identification: copies of files without what names a person, and the check of such copies."""
