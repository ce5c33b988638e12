"""Networks: the front end, Whisper's encoder and decoder, and their weights."""
