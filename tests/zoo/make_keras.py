"""The zoo's graphs of Keras, through tf2onnx: `python -m tests.zoo.make_keras FOLDER [NAME…]`.

Needs `pip install tensorflow-cpu tf2onnx onnx` in an environment of its own. `blog-dense` and `blog-conv` are the
autoencoders of the Keras blog ("Building Autoencoders in Keras"), the second with Flatten and Reshape at the latents.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from tests.zoo.pictures import rectangles


def blog_dense() -> tuple[keras.Model, keras.Model]:
    image = keras.Input(shape=(784,))
    latent = keras.Input(shape=(16,))
    encoder = keras.Model(image, layers.Dense(16, activation="relu")(image))
    decoder = keras.Model(latent, layers.Dense(784, activation="sigmoid")(latent))
    return encoder, decoder


def blog_conv() -> tuple[keras.Model, keras.Model]:
    image = keras.Input(shape=(28, 28, 1))
    x = layers.Conv2D(16, (3, 3), activation="relu", padding="same")(image)
    x = layers.MaxPooling2D((2, 2), padding="same")(x)
    x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(x)
    x = layers.MaxPooling2D((2, 2), padding="same")(x)
    x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(x)
    encoded = layers.MaxPooling2D((2, 2), padding="same")(x)
    encoder = keras.Model(image, layers.Flatten()(encoded))
    latent = keras.Input(shape=(128,))
    x = layers.Reshape((4, 4, 8))(latent)
    x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(x)
    x = layers.UpSampling2D((2, 2))(x)
    x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(x)
    x = layers.UpSampling2D((2, 2))(x)
    x = layers.Conv2D(16, (3, 3), activation="relu")(x)
    x = layers.UpSampling2D((2, 2))(x)
    return encoder, keras.Model(latent, layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x))


def transposed() -> tuple[keras.Model, keras.Model]:
    """Strided Conv2D and Conv2DTranspose with BatchNormalization, colour, levels from 0 to 255 rescaled inside."""
    image = keras.Input(shape=(20, 16, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    encoder = keras.Model(image, layers.Dense(8)(layers.Flatten()(x)))
    latent = keras.Input(shape=(8,))
    x = layers.Dense(5 * 4 * 8, activation="elu")(latent)
    x = layers.Reshape((5, 4, 8))(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="sigmoid")(x)
    return encoder, keras.Model(latent, layers.Rescaling(255.0)(x))


MEMBERS = {
    "blog-dense": (blog_dense, (1, 28, 28), lambda x: x.reshape(len(x), -1) / 255),
    "blog-conv": (blog_conv, (1, 28, 28), lambda x: x.transpose(0, 2, 3, 1) / 255),
    "transposed": (transposed, (3, 20, 16), lambda x: x.transpose(0, 2, 3, 1) * 1.0),
}


def main(folder: Path, names: list[str]) -> None:
    """Write the graphs of the members named, or of all."""
    for name, (build, shape, prepare) in MEMBERS.items():
        if names and name not in names:
            continue
        keras.utils.set_random_seed(0)
        encoder, decoder = build()
        images = prepare(rectangles(2000, *shape)).astype(np.float32)
        whole = keras.Sequential([encoder, decoder])
        whole.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy" if name.startswith("blog") else "mse")
        whole.fit(images, images, epochs=30, batch_size=64, verbose=0)
        place = folder / f"keras-{name}"
        place.mkdir(parents=True, exist_ok=True)
        encoder.export(str(place / "encoder.onnx"), format="onnx", verbose=False)
        decoder.export(str(place / "decoder.onnx"), format="onnx", verbose=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
