"""deltasr for ComfyUI: one node that upscales images, with the models and settings of `deltasr upscale`.

Copy this folder into `custom_nodes/deltasr`, and install deltasr into ComfyUI's Python. The node is written for
ComfyUI's V3 schema (`comfy_api.latest`).
"""

from comfy_api.latest import ComfyExtension, io

from .images import model_names, upscale_images


class UpscaleWithDeltasr(io.ComfyNode):
    """Images (B, H, W, 3) in [0, 1] to larger ones."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs, as ComfyUI shows them."""
        return io.Schema(
            node_id="deltasr_Upscale",
            display_name="Upscale (deltasr)",
            category="image/upscaling",
            description="Super-resolution by deltasr's models.",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("model", options=model_names()),
                io.Float.Input("scale", default=4.0, min=0.1, max=16.0, step=0.1),
                io.Float.Input(
                    "fidelity", default=0.5, min=0.0, max=1.0, step=0.05,
                    tooltip="From the most natural image, 0, to the most faithful one, 1. Only for models with a dial.",
                ),
                io.Float.Input(
                    "restoration", default=-1.0, min=-1.0, max=1.0, step=0.05,
                    tooltip="How degraded the image is, from 0 to 1; -1 estimates it. Only for models that restore.",
                ),
                io.Int.Input("seed", default=0, min=0, max=2**31 - 1, tooltip="Of models that use noise."),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, image: object, model: str, scale: float, fidelity: float, restoration: float, seed: int
    ) -> io.NodeOutput:
        """Run the model on each image."""
        return io.NodeOutput(
            upscale_images(image, model=model, scale=scale, fidelity=fidelity, restoration=restoration, seed=seed)
        )


class DeltasrExtension(ComfyExtension):
    """What ComfyUI asks for the nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes of this folder."""
        return [UpscaleWithDeltasr]


async def comfy_entrypoint() -> ComfyExtension:
    """Called by ComfyUI when it loads the folder."""
    return DeltasrExtension()
