"""Serve a bundle over HTTP; copied into the image, so it imports nothing else of nbslim."""
