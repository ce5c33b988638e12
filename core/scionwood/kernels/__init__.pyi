from scionwood.adapters.fused_layers import folded as folded
from scionwood.adapters.fusing import disable as disable
from scionwood.adapters.fusing import enable as enable
from scionwood.adapters.fusing import kernel_report as kernel_report
from scionwood.kernels.conv import lora_conv as lora_conv
from scionwood.kernels.dispatch import obstacle as obstacle
from scionwood.kernels.linear import lora_linear as lora_linear

__all__: list[str]
