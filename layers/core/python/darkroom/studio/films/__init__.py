"""Films: clips, titles, sound and encoding. May use pictures, never the other way round."""
