"""Uploads: the rules for files, the inspection of their content, and the reasons of failures."""
