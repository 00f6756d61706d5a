"""Speech: synthesis, transcription, alignment, captions and scripts."""
