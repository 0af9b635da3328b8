using System.Collections.Immutable;
using System.Globalization;
using DuckDB.NET.Data;
using Microsoft.Data.Analysis;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>What a query found.</summary>
/// <param name="Columns">Names of the columns.</param>
/// <param name="Rows">Values of each row: numbers, text, booleans, lists, or null.</param>
[TypeFormatterSource(typeof(RichDisplay))]
public sealed record QueryResult(ImmutableArray<string> Columns, ImmutableArray<ImmutableArray<object?>> Rows)
{
    /// <summary>The rows as a data frame; numbers become doubles or longs, anything else text.</summary>
    public DataFrame ToDataFrame() => new(Columns.Select((name, i) => FeatureFrames.Column(name, [.. Rows.Select(row => row[i])])));
}

/// <summary>
/// An index's tables for questions in SQL, read where they lie by an embedded DuckDB. Nothing can be written, no file outside
/// the index can be read, and no extension is fetched. Needs no libtorch.
/// </summary>
public sealed class FeatureDatabase : IDisposable
{
    private readonly DuckDBConnection connection;

    private FeatureDatabase(DuckDBConnection connection) => this.connection = connection;

    /// <summary>Opens an index; its tables are not read before a query needs them.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="UserErrorException">It is missing, unfinished or of another version.</exception>
    public static FeatureDatabase Open(string folder)
    {
        FeatureIndex.ReadManifest(folder);
        string root = Path.GetFullPath(folder);
        var connection = new DuckDBConnection("Data Source=:memory:");
        try
        {
            connection.Open();
            string[] files = [.. IndexTables.Names.Select(name => Quoted(Path.Combine(root, name)))];
            Execute(connection, "set autoinstall_known_extensions=false; set autoload_known_extensions=false; set memory_limit='1GB'");
            Execute(connection, $"set allowed_paths=[{string.Join(", ", files)}]; set enable_external_access=false");
            foreach (string name in IndexTables.Names)
            {
                Execute(connection, $"create view {Path.GetFileNameWithoutExtension(name)} as from read_parquet({Quoted(Path.Combine(root, name))})");
            }
            DescribeTables(connection);
            Execute(connection, "set lock_configuration=true");
            return new(connection);
        }
        catch (DuckDBException failure)
        {
            connection.Dispose();
            throw new UserErrorException($"the tables of {folder} cannot be read: {FirstLine(failure)}", "the index was cut or changed; scan again", failure);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Answers a question in SQL.</summary>
    /// <param name="sql">One statement that reads: <c>select</c>, <c>from</c>, <c>with</c>, <c>describe</c> or <c>summarize</c>.</param>
    /// <param name="values">Values of the parameters $1, $2, ...</param>
    /// <exception cref="UserErrorException">It is not SQL, names something that is not there, or would write.</exception>
    public QueryResult Query(string sql, params ReadOnlySpan<object> values)
    {
        ArgumentNullException.ThrowIfNull(sql);
        try
        {
            CheckReads(sql);
            using DuckDBCommand command = connection.CreateCommand();
            command.CommandText = sql;
            foreach (object value in values) command.Parameters.Add(new DuckDBParameter(value));
            using DuckDBDataReader reader = command.ExecuteReader();
            return ReadAll(reader);
        }
        catch (DuckDBException failure)
        {
            throw new UserErrorException($"the query failed: {FirstLine(failure)}", "`monosemantic query \"from columns\" DIR` lists the tables and columns", failure);
        }
    }

    /// <summary>Closes the database.</summary>
    public void Dispose() => connection.Dispose();

    // Only statements that read have a form in JSON; DuckDB's own parser decides, so that no spelling slips past.
    private void CheckReads(string sql)
    {
        using DuckDBCommand command = connection.CreateCommand();
        command.CommandText = "select json_extract_string(tree, '$.error'), json_extract_string(tree, '$.error_message'), json_extract_string(tree, '$.error_type') from (select json_serialize_sql($1::varchar)::json as tree)";
        command.Parameters.Add(new DuckDBParameter(sql));
        using DuckDBDataReader reader = command.ExecuteReader();
        reader.Read();
        if (reader.GetString(0) != "true") return;
        string message = reader.IsDBNull(1) ? "it is not one statement" : reader.GetString(1);
        bool writes = !reader.IsDBNull(2) && reader.GetString(2) == "not implemented";
        throw new UserErrorException(
            writes ? "the query is not a statement that reads" : $"the query is not SQL: {message}",
            writes ? "an index is read-only: ask with select, from, with, describe or summarize" : "`monosemantic query \"from columns\" DIR` lists the tables and columns");
    }

    private static QueryResult ReadAll(DuckDBDataReader reader)
    {
        ImmutableArray<string> columns = [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)];
        var rows = ImmutableArray.CreateBuilder<ImmutableArray<object?>>();
        while (reader.Read()) rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i))]);
        return new(columns, rows.ToImmutable());
    }

    private static void DescribeTables(DuckDBConnection connection)
    {
        string rows = string.Join(", ", IndexSchema.Columns.Select(column => $"({Quoted(column.Table)}, {Quoted(column.Name)}, {Quoted(column.Meaning)})"));
        IEnumerable<string> comments = IndexSchema.Tables.Select(table => $"comment on view {table.Name} is {Quoted(table.Meaning)}")
            .Concat(IndexSchema.Columns.Select(column => $"comment on column {column.Table}.\"{column.Name}\" is {Quoted(column.Meaning)}"));
        Execute(connection, $"create view columns as select * from (values {rows}) as columns(\"table\", \"column\", meaning); {string.Join("; ", comments)}");
    }

    private static void Execute(DuckDBConnection connection, string sql)
    {
        using DuckDBCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    private static string FirstLine(DuckDBException failure) => failure.Message.Split('\n')[0].Trim().ToString(CultureInfo.InvariantCulture);
}
