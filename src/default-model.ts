/** Name of the embedded pack, which the Worker and the commands use unless another one is chosen. */
export const defaultModelName = "resnet34-tiny-imagenet";
