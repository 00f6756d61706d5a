"""One router per function; a function mounts only its own."""
