using System.Diagnostics;
using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>Keeps a scan's state in a file, so that a scan that was stopped or killed goes on and ends with the same bytes.</summary>
/// <param name="path">The file.</param>
/// <param name="identity">What the state belongs to, such as the hashes of dictionary and store; a state of another is refused.</param>
/// <param name="every">Time between two savings; each takes as long as writing the scan's memory to the disk.</param>
public sealed class ScanCheckpoint(string path, string identity, TimeSpan every)
{
    private const int Version = 2;
    private readonly Stopwatch since = Stopwatch.StartNew();

    /// <summary>Forgets the state, once the scan is finished.</summary>
    public void Delete() => File.Delete(path);

    /// <summary>Takes up the saved state, if there is one.</summary>
    /// <returns>Rows that it holds; 0 without one.</returns>
    /// <exception cref="UserErrorException">The state is of other inputs, or damaged.</exception>
    internal long Load(EvidencePass pass)
    {
        if (!File.Exists(path)) return 0;
        using var state = new BinaryReader(new BufferedStream(File.OpenRead(path), 1 << 20), Encoding.UTF8);
        try
        {
            if (state.ReadInt32() != Version || state.ReadString() != identity) throw new UserErrorException($"{path} is the state of a scan of other inputs or options", "resume with what the scan was started with, or choose another folder with --out");
            long rows = state.ReadInt64();
            pass.Load(state);
            return rows;
        }
        catch (Exception failure) when (failure is EndOfStreamException or OverflowException or FormatException)
        {
            throw new UserErrorException($"{path} is damaged", "delete the folder and scan again", failure);
        }
    }

    internal void SaveIfDue(EvidencePass pass, long rows)
    {
        if (since.Elapsed < every) return;
        AtomicFile.Write(path, stream =>
        {
            using var state = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
            state.Write(Version);
            state.Write(identity);
            state.Write(rows);
            pass.Save(state);
        });
        since.Restart();
    }
}
