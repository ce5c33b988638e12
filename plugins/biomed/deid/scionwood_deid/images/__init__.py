"""DICOM images as numbers and as they are shown, without what names a person."""
