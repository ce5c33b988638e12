"""What hides the updates of sites from whoever sums them."""
