"""What a component takes, read from its source text. Nothing here imports a component.

A command line or a recipe with a wrong name can be refused at once in this way. Each function
returns None if the source does not settle the question. Then the imported component decides.
"""
