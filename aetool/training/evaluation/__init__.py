"""The evaluation of generated images, by a judge that is trained separately."""
