"""The verbs, one a file; the file's name is the word, its `verb` what is done."""
