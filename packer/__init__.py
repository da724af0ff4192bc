"""Turn a notebook and its analysis into an image that gives the same answers."""
