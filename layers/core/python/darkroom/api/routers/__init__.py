"""Routers by subject. ``api.mounts`` lists which function mounts which."""
