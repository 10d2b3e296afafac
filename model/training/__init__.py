"""What only training needs: the fit, its report, and an artifact that is verified before it is published."""
