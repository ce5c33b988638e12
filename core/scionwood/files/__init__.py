"""Files from outside and reports for people: the reader's contract, texts, pages."""
