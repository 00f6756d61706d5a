"""The built-in offline studio: real pictures, clips and films out of the user's own photo.

Importing this package costs nothing; ``studio.LocalStudio`` pulls in the heavy wheels
(PyAV, Pillow, NumPy) and is imported only by the function that renders.
"""
