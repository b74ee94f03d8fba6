"""The Survey as text and JSON, for people and for programs."""
