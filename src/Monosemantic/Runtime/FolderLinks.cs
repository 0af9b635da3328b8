namespace Monosemantic.Runtime;

/// <summary>
/// Links in folders that come from elsewhere: whoever made such a folder may not choose what else on the disk is read. Every
/// part of a path is followed, as the system does it, so that a linked folder on the way does not hide where a file lies.
/// </summary>
internal static class FolderLinks
{
    private const int MostLinks = 40;

    /// <summary>Where a file of a folder really lies, if that is outside the folder; else null.</summary>
    /// <param name="folder">The folder; it may itself be reached by links, since the user named it.</param>
    /// <param name="name">The file's path within it.</param>
    internal static string? TargetOutside(string folder, string name)
    {
        string root = Path.TrimEndingDirectorySeparator(Follow(folder)), target = Follow(Path.Combine(folder, name));
        return target.StartsWith(Path.EndsInDirectorySeparator(root) ? root : root + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? null : target;
    }

    private static string Follow(string path)
    {
        string full = Path.GetFullPath(path), at = Path.GetPathRoot(full)!;
        var left = new Stack<string>(Parts(full[at.Length..]));
        for (int links = 0; left.TryPop(out string? part);)
        {
            if (part == "..") at = Path.GetDirectoryName(at) ?? at;
            else if (new FileInfo(Path.Combine(at, part)).LinkTarget is not { } target) at = Path.Combine(at, part);
            else
            {
                if (++links > MostLinks) throw new UserErrorException($"{path} leads through more than {MostLinks} links", "copy the files themselves into a folder first");
                if (Path.IsPathRooted(target)) at = Path.GetPathRoot(target)!;
                foreach (string further in Parts(target[(Path.GetPathRoot(target)?.Length ?? 0)..])) left.Push(further);
            }
        }
        return at;
    }

    // Last first, as a stack takes them.
    private static IEnumerable<string> Parts(string path) => path.Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").Reverse();
}
