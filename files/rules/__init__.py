"""What a map can say of a target beyond its column's name: a rule makes values of columns of the file."""
