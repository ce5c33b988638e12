"""What files from outside and reports for people have in common: readers' contract, texts, pages."""
