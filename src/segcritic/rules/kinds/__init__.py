"""One file for each kind of rule: what it may say (a pydantic model), and how objects are held against it."""
