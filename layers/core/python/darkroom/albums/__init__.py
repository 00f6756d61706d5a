"""Albums: ordered collections of job outputs that an account makes."""
