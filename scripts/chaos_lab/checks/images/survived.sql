-- no process with models is left of a worker that has ended
select pid from chaos.survivors
