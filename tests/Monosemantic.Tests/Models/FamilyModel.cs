using Monosemantic.Models;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>Tiny random models of every family, loaded from a folder that goes with them.</summary>
internal sealed class FamilyModel : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    internal FamilyModel(string name, ScalarType storage = ScalarType.Float32)
    {
        Case = ModelCases.All.Single(one => one.Name == name);
        Case.Write(folder, storage);
        Model = Transformer.Load(folder);
    }

    /// <summary>One configuration of each family, and the sequential one of GPT-NeoX.</summary>
    internal static IEnumerable<string> Names => ModelCases.OneOfEach.Select(one => one.Name).Append("gpt_neox, in sequence, whole head, no bias");

    internal ModelCase Case { get; }

    internal Transformer Model { get; }

    internal Tensor Tokens { get; } = tensor(new long[] { 3, 22, 0, 7, 7, 19, 1, 4, 12, 9, 2, 16 }, [2, 6]);

    /// <summary>A copy of what one hook point holds.</summary>
    internal Tensor Value(HookPoint at, Func<HookPoint, Tensor, Tensor>? edit = null, params HookPoint[] edited)
    {
        Tensor? seen = null;
        Model.Run(Tokens, (point, value) =>
        {
            Tensor used = edit is not null && edited.Contains(point) ? edit(point, value) : value;
            if (point == at) seen = used.clone().DetachFromDisposeScope();
            return used;
        }, [.. edited, at]);
        return seen!;
    }

    public void Dispose()
    {
        Model.Dispose();
        Tokens.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
