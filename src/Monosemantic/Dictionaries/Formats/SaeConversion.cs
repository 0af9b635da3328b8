using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>What a conversion did.</summary>
public sealed record SaeConversionResult
{
    /// <summary>Format of the source.</summary>
    public required string From { get; init; }

    /// <summary>Format of the files written.</summary>
    public required string To { get; init; }

    /// <summary>Where they are.</summary>
    public required string Folder { get; init; }

    /// <summary>Names of the files.</summary>
    public required ImmutableArray<string> Files { get; init; }

    /// <summary>Element type of the weights in them.</summary>
    public required string Dtype { get; init; }

    /// <summary>Largest difference of a feature activation on the probes, read back from the files, as a part of the largest one.</summary>
    public required double FeatureActsError { get; init; }

    /// <summary>Largest difference of an output, likewise.</summary>
    public required double ReconstructionError { get; init; }

    /// <summary>What was changed in reading, and what the files cannot say.</summary>
    public required ImmutableArray<string> Notes { get; init; }
}

/// <summary>
/// Conversion from one format to another. What was written is read back and compared on probe vectors: if it computes
/// something else by more than one part in a million, there is no result unless that was asked for.
/// </summary>
public static class SaeConversion
{
    /// <summary>Largest difference of a conversion that counts as exact, as a part of the largest value.</summary>
    public const double ExactWithin = 1e-6;

    /// <summary>Converts.</summary>
    /// <param name="path">Folder or file of the source.</param>
    /// <param name="from">Format of the source; null to recognise it.</param>
    /// <param name="to">Format to write.</param>
    /// <param name="folder">New or empty folder for the files.</param>
    /// <param name="lossy">Whether files that compute something else are wanted all the same.</param>
    /// <param name="dtype">Element type to write: f32, f16 or bf16; null for the source's in its own format, where that holds all digits, and float32 elsewhere.</param>
    /// <param name="training">Whether to write the form that the format's own tool trains on.</param>
    /// <exception cref="UserErrorException">The format cannot hold it, or the conversion is not exact and <paramref name="lossy"/> is false.</exception>
    public static SaeConversionResult Run(string path, string? from, string to, string folder, bool lossy, string? dtype = null, bool training = false)
    {
        SaeFormat target = SaeFormat.Of(to);
        SaeDtype? asked = dtype is null ? null : SaeDtype.Of(dtype);
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new UserErrorException($"{folder} is not empty", "choose an empty or new folder with --out");
        if (File.Exists(folder)) throw new UserErrorException($"{folder} is a file", "choose an empty or new folder with --out");
        using SaeImport source = SaeFormat.Load(path, from);
        SaePlan plan = training ? target.PlanTraining(source.Sae) : target.Plan(source.Sae);
        SaeDtype written = asked ?? KeptDtype(source.Sae, target);
        if (!target.TakesDtypes && written != SaeDtype.Float32) throw new UserErrorException($"{target.Name} is written in f32 only, not in {written.Name}", "leave --dtype out, or choose another format");
        string whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)), temporary = $"{whole}.{Environment.ProcessId}.tmp";
        try
        {
            AtomicFile.MakeFolder(temporary);
            plan.Write(temporary, written);
            if (source.LogFrequency is { } frequency) SparsityFile.Write(temporary, frequency);
            SaeProbes probes = SaeProbes.Of(source.Sae);
            if (target is not NativeFormat) probes.Write(Path.Combine(temporary, SaeProbes.FileName));
            ProbeDifference difference;
            using (SaeImport back = target.Read(SaeFiles.At(temporary))) difference = probes.Compare(back.Sae);
            CheckExact(source.Format, target, plan, written, difference, lossy);
            if (Directory.Exists(whole)) Directory.Delete(whole);
            Directory.Move(temporary, whole);
            return new()
            {
                From = source.Format.Name,
                To = target.Name,
                Folder = folder,
                Files = [.. Directory.EnumerateFiles(whole).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)],
                Dtype = written.Long,
                FeatureActsError = difference.FeatureActs,
                ReconstructionError = difference.Reconstruction,
                Notes = [.. source.Notes, .. plan.Losses],
            };
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    // A format's own files come back as they were, unless something was folded that needs more digits.
    private static SaeDtype KeptDtype(SparseAutoencoder sae, SaeFormat target)
    {
        SaeDtype own = sae.Provenance.Origin is { } origin && origin.Format == target.Name ? SaeDtype.Named(origin.Dtype) : SaeDtype.Float32;
        return own.Holds(sae.Tensors) ? own : SaeDtype.Float32;
    }

    private static void CheckExact(SaeFormat from, SaeFormat to, SaePlan plan, SaeDtype dtype, ProbeDifference difference, bool lossy)
    {
        if (lossy || (plan.Losses.Length == 0 && difference.Largest <= ExactWithin)) return;
        string why = plan.Losses.Length > 0 ? string.Join("; ", plan.Losses) : dtype != SaeDtype.Float32 ? $"{dtype.Long} has fewer digits than the weights" : "what had to be moved between biases loses digits";
        throw new UserErrorException(
            $"the conversion from {from.Name} to {to.Name} is not exact: {why}; measured on probe vectors, feature activations differ by up to {difference.FeatureActs:E1} and outputs by up to {difference.Reconstruction:E1} of the largest value",
            "add --lossy to write it all the same");
    }
}

/// <summary>What came of encoding stored probe vectors again.</summary>
/// <param name="Format">Format of the files.</param>
/// <param name="Difference">Largest differences.</param>
public sealed record SaeVerification(string Format, ProbeDifference Difference)
{
    /// <summary>Largest difference that is allowed, as a part of the largest value.</summary>
    public double Tolerance { get; } = SaeProbes.Tolerance;

    /// <summary>Whether the autoencoder computes what was recorded.</summary>
    public bool Passed => Difference.Largest <= Tolerance;

    /// <summary>Encodes and decodes the probe vectors that lie beside an autoencoder.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="format">Name of its format; null to recognise it.</param>
    /// <exception cref="UserErrorException">There are no probes, or the files are damaged.</exception>
    public static SaeVerification Of(string path, string? format = null)
    {
        using SaeImport found = SaeFormat.Load(path, format);
        SaeFiles files = SaeFiles.At(path);
        string? recorded = found.Format is NativeFormat ? JsonFile.Read<SaeFile>(files.Of(SaeStorage.ManifestName)).ProbesSha256 : null;
        if (!files.Has(SaeProbes.FileName)) throw new UserErrorException($"{path} carries no probe vectors ({SaeProbes.FileName})", "a native folder of this version carries them, and so does a conversion by this tool: see `monosemantic sae convert`");
        string probes = files.Of(SaeProbes.FileName);
        if (recorded is not null && Hashing.OfFile(probes) != recorded) throw new UserErrorException($"{probes} is not the file that {SaeStorage.ManifestName} describes (its SHA-256 differs)", "copy the whole folder again");
        return new(found.Format.Name, SaeProbes.Read(probes).Compare(found.Sae));
    }
}
