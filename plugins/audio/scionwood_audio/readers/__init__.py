"""Files of sounds and of selections."""
