"""What an uploaded file really is: type, size, faces; and its clean copy without metadata."""
