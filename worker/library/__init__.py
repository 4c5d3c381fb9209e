"""What a person does with a photo library that is no job: ingesting, listing what is missing, searching."""
