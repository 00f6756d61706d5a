"""Pictures: composition, grading, effects, portraits and procedural scenery."""
