"""The commands `scionwood seismic denoise | simulate | compare`, one module each."""
