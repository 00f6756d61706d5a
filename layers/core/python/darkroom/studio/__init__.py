"""The built-in offline studio: pictures, films and speech made on this machine.

Importing this package costs nothing; ``local_studio.LocalStudio`` loads the heavy libraries
(PyAV, Pillow, NumPy) of one kind when a request of that kind arrives.
"""
