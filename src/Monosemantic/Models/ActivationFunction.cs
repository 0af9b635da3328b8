using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>Activation functions of MLP neurons.</summary>
public enum ActivationFunction
{
    /// <summary>0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): <c>gelu_new</c>, <c>gelu_pytorch_tanh</c>.</summary>
    GeluTanh,

    /// <summary>x Phi(x), exact: <c>gelu</c>.</summary>
    Gelu,

    /// <summary>max(0, x).</summary>
    Relu,

    /// <summary>x sigmoid(x): <c>silu</c>, <c>swish</c>.</summary>
    Silu,

    /// <summary>x sigmoid(1.702 x): <c>quick_gelu</c>.</summary>
    QuickGelu,

    /// <summary>max(0, x)^2: <c>relu2</c>.</summary>
    SquaredRelu,

    /// <summary>min(6, max(0, x)).</summary>
    Relu6,

    /// <summary>x above 0, 0.01 x below.</summary>
    LeakyRelu,

    /// <summary>x tanh(log(1 + exp(x))).</summary>
    Mish,

    /// <summary>tanh(x).</summary>
    Tanh,

    /// <summary>1 / (1 + exp(-x)).</summary>
    Sigmoid,

    /// <summary>x.</summary>
    Linear,
}

/// <summary>What the neurons of an MLP compute.</summary>
internal static class Neurons
{
    /// <summary>The activation function, element by element.</summary>
    internal static Tensor Activate(ActivationFunction function, Tensor x) => function switch
    {
        ActivationFunction.GeluTanh => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh),
        ActivationFunction.Gelu => nn.functional.gelu(x),
        ActivationFunction.Relu => nn.functional.relu(x),
        ActivationFunction.Silu => nn.functional.silu(x),
        ActivationFunction.QuickGelu => x * (x * 1.702).sigmoid(),
        ActivationFunction.SquaredRelu => nn.functional.relu(x).square(),
        ActivationFunction.Relu6 => nn.functional.relu6(x),
        ActivationFunction.LeakyRelu => nn.functional.leaky_relu(x, 0.01),
        ActivationFunction.Mish => nn.functional.mish(x),
        ActivationFunction.Tanh => x.tanh(),
        ActivationFunction.Sigmoid => x.sigmoid(),
        ActivationFunction.Linear => x,
        _ => throw new InvalidOperationException($"activation function {function} is not computed"),
    };
}
