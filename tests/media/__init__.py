"""The studio and the inspection of uploads, on real pictures, films and sounds."""
