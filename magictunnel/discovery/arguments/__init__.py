"""Arguments of a call from the words of a request: what is read, and what is asked of a model or a person."""
