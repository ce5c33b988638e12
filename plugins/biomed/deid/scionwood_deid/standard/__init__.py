"""Tables of the DICOM standard; SOURCES.md says where they come from."""
