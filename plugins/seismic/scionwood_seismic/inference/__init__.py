"""A trained denoiser applied to arrays, records and files."""
