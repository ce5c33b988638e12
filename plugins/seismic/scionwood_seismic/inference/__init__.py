"""Apply a trained denoiser to arrays, in-memory objects, records and files."""
