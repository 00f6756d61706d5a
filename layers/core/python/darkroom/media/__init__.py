"""What uploads, vendors and the studio share about media: file formats and portable arithmetic."""
